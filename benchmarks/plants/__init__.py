"""What is planted into a log to see whether it is found."""
