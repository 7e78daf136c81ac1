"""What turns a photo into a screening, without torch: session, decision, result and its renderings."""
