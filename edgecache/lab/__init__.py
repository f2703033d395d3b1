"""The lab: what is put in front of or behind an edge to watch it. Today the demo origin; it uses aiohttp and knows no part of the edge."""
