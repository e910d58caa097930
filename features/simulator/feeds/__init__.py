"""How the operator's systems know what happened: by which key, how late, how badly. Nothing here moves anybody."""
