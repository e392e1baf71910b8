"""Where passages live and are found."""
