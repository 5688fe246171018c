"""The web pages of a server: plain HTML, their own style and script, no request to anybody else."""
