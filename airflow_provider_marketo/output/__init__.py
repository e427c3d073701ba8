"""The output folder, its layout, its manifests, and the progress of a task."""
