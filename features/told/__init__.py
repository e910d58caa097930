"""The data scientist's side of the features: asked for as a frame or a file, described, explained by their facts."""
