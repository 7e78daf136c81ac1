"""Epiluma on a device: an archive that installs without a network, and a runner whose queue survives power cuts."""
