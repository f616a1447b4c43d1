"""Reports as pages: plots by Matplotlib, HTML by Jinja2, for whatever has something to report."""
