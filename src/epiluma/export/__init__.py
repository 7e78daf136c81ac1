"""From a checkpoint to a bundle, with a parity proof."""
