"""The page that screens in the browser itself: a bundle, the runtime's rules as data, and JavaScript, in one folder."""
