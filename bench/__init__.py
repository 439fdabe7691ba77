"""What each profile costs and gives, measured: `make bench`."""
