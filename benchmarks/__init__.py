"""What is measured and how.

Imports `runtime`, never `training` or `convert`.
"""
