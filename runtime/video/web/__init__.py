"""Video files of web servers: their addresses, what a server responds, and their bytes by ranges."""
