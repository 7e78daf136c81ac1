"""Pictures that a skin-lesion network should not judge, drawn from a seed, by family.

They are for measuring how well such pictures are refused, and for nothing else. That no shortcut tells them from
photos of lesions, some of each family have the colours of skin, some a round dark blot, some the dark surround of a
dermatoscope; and `as_file` gives drawings and photos one size and one JPEG quality.
"""

from epiluma.imaging.synthetic.outside.draw import FAMILIES, DrawnOutside, draw_outside
from epiluma.imaging.synthetic.outside.matched import QUALITY, SIDE, as_file

__all__ = ["FAMILIES", "QUALITY", "SIDE", "DrawnOutside", "as_file", "draw_outside"]
