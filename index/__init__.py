"""From a folder of files to something that can be searched."""
