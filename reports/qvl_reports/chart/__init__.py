"""Charts as inline SVG, drawn here from data; readable without colour and without scripts."""
