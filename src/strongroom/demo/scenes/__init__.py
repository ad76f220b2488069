"""A module for each scene; it gives a `SCENE`, and `strongroom.demo.story` puts them in order."""
