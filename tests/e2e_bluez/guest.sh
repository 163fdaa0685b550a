# In the machine: the world (as root), then the hub (as the gateway's own user) in it.
export PYTHONPATH=/mnt MEETHUB_WORLD=/run/world.sock
(python3 tests/e2e_bluez/world.py >/run/world.log 2>&1; touch /run/world.gone) &
install -d -o meethub -g meethub -m 700 /run/meethub
setpriv --reuid=meethub --regid=meethub --init-groups python3 tests/e2e_bluez/hub_steps.py /run/meethub; rc=$?
[ $rc = 0 ] || tail -n 60 /run/world.log /run/bluetoothd.log /run/meethub/gateway.log
exit $rc
