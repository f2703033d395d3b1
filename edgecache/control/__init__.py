"""The control plane: native API, health and index page, on a port of its own. It knows an edge's parts, not how they are built."""
