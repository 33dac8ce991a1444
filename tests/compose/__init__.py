"""The compose file run for real, where no registry of images can be reached."""
