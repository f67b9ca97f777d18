"""What the power state of one machine costs the reference: its library sushy, and its own code above that.

Arguments: address, path of the System, user, password, file of the authority. Prints one JSON object.
"""
import json
import sys
import time
import types

import sushy
from sushy import auth

ADDRESS, SYSTEM, USER, PASSWORD, AUTHORITY = sys.argv[1:]
WARM, COLD, OWN = 200, 30, 5


def connect():
    return sushy.Sushy(ADDRESS + '/redfish/v1/', verify=AUTHORITY,
                       auth=auth.SessionOrBasicAuth(username=USER, password=PASSWORD))


def measure(count, call):
    cpu, start = time.process_time(), time.perf_counter()
    for _ in range(count):
        call()
    return (time.process_time() - cpu) * 1000 / count, (time.perf_counter() - start) * 1000 / count


root = connect()
figures = {}
root.get_system(SYSTEM).power_state
figures['warm_cpu_ms'], figures['warm_ms'] = measure(WARM, lambda: root.get_system(SYSTEM).power_state)
# The library closes each connection itself: a BMC that does so changes nothing for it.
figures['closing_cpu_ms'] = figures['warm_cpu_ms']
figures['cold_cpu_ms'], figures['cold_ms'] = measure(COLD, lambda: connect().get_system(SYSTEM).power_state)

try:
    from ironic.conf import CONF
    from ironic.drivers.modules.redfish import utils
    CONF([], project='ironic', default_config_files=[])
    node = types.SimpleNamespace(uuid='1be26c0b-03f2-4d2e-ae87-c02d7f33c123', driver='redfish', driver_internal_info={}, driver_info={
        'redfish_address': ADDRESS, 'redfish_system_id': SYSTEM, 'redfish_username': USER,
        'redfish_password': PASSWORD, 'redfish_verify_ca': AUTHORITY})
    utils.get_system(node)
    figures['own_code_cpu_ms'], _ = measure(OWN, lambda: utils.get_system(node).power_state)
except Exception as error:
    print('the code above the library was not measured: %r' % error, file=sys.stderr)

print(json.dumps(figures))
