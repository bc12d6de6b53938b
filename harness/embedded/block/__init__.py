"""The block layer: nodes, permissions, files and their locks."""
