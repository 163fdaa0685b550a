"""On a board this file is /main.py: starts the release that boot.py chose, and the board again after it.

Nothing that goes wrong in a release ends at a prompt: a trial that does not come up is counted by boot.py.
"""

try:
    from firmware.main import main

    main()
finally:
    import machine

    machine.reset()
