# In the machine: the world (as root), and the hub (as the gateway's own user) in it. The logs come after the result.
export PYTHONPATH=/mnt MEETHUB_WORLD=/run/world.sock
(python3 tests/e2e_bluez/world.py >/run/world.log 2>&1; touch /run/world.gone) &
install -d -o meethub -g meethub -m 700 /run/meethub
setpriv --reuid=meethub --regid=meethub --init-groups python3 tests/e2e_bluez/hub_steps.py /run/meethub
echo "GUEST_RC=$?"
for log in world bluetoothd meethub/gateway; do echo "--- $log"; tail -n 200 /run/$log.log; done
dmesg | grep -i bluetooth | tail -n 20
