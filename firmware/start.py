"""On a board this file is /main.py: starts the release that boot.py chose, and the board again after it.

Nothing that goes wrong in a release ends at a prompt: a trial that does not come up is counted by boot.py.
Only somebody at the serial port gets one, with Ctrl-C, as mpremote does.
"""

try:
    from firmware.main import main

    main()
except KeyboardInterrupt:
    print("meethub: stopped at the serial port")
except BaseException:
    import machine

    machine.reset()
else:
    import machine

    machine.reset()
