"""What all embedded programs share."""
