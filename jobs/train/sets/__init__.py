"""What models learn from: reads ``clean/`` at past days, leaves the training sets of one training in its own folder."""
