"""Photos to try the software with: drawn ones that need nothing, and CC0 ones from the ISIC Archive."""

from epiluma.examples.drawn import Example, example_photos, write_examples
from epiluma.examples.online import Unavailable, fetch_online

__all__ = ["Example", "Unavailable", "example_photos", "fetch_online", "write_examples"]
