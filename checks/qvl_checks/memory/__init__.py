"""Rules and checks about GPU memory: what runs out, on which card, and why."""
