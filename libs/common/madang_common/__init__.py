"""What every Madang service shares."""
