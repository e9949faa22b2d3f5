"""The household: a character with two hands who walks, grabs, opens and sits; VirtualHome's tasks."""
