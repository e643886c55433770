"""Rules and checks about images: pixel limits, patches, placeholders and processors."""
