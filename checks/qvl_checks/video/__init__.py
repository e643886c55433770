"""Rules and checks about video: readers, sampling, time stamps and markers."""
