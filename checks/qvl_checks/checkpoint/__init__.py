"""Rules and checks about checkpoints: classes, files, heads, templates and quantisation."""
