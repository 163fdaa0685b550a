"""How a hub gets onto somebody's Wi-Fi: stored networks always, the rest only while a person sets it up."""
