"""What is written for others: the folder, its layout, the manifest, and the progress of a task."""
