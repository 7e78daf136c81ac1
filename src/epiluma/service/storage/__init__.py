"""Where photos lie: files under server-chosen keys."""
