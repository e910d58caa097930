"""The kernel for one entity at a time over histories that lie packed per key, as a live store keeps them."""
