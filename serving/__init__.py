"""How tieline answers: an HTTP service that turns keys into a decision."""
