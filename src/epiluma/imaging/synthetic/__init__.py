"""Drawn lesions: procedural dermoscopy for tests, for examples, and for a newcomer who has no data.

They are drawings. A figure measured on them says that the software works, never how well a model does.
"""

from epiluma.imaging.synthetic.draw import DrawnLesion, draw_lesion
from epiluma.imaging.synthetic.folder import write_folder

__all__ = ["DrawnLesion", "draw_lesion", "write_folder"]
