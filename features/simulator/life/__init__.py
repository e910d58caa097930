"""What happens to customers, day by day: every module lives one part of the day on the shared `World`."""
