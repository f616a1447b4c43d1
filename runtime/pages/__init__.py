"""Reports as pages and tables: plots by Matplotlib, HTML by Jinja2, CSV, for whatever has something to report."""
