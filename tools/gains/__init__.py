"""What each part of the toolkit gains over the plain way."""
