"""Where the time of a training's steps goes: `pptsn train --profile`."""
