"""Video files of web servers: their addresses, what a server answers, and their bytes by ranges."""
