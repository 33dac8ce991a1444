"""The pins of third-party images: deploy/images.json, and the files that repeat it."""
