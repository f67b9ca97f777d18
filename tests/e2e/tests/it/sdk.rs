//! openstacksdk's own client, unchanged: the life of a node, with its waiting.

use crate::harness::Daemon;

#[test]
fn openstacksdk_takes_a_node_through_its_life() {
    let daemon = Daemon::start();

    let printed = daemon.openstacksdk(
        "
node = b.create_node(driver='fake-hardware', name='n1', properties={'cpus': 2})
print(node.provision_state)

def move(target, **more):
    node = b.set_node_provision_state('n1', target, wait=True, timeout=300, **more)
    print(target, '->', node.provision_state, node.last_error)

def move_to(state, target, **more):  # what the client cannot wait for by itself
    b.set_node_provision_state('n1', target, **more)
    b.wait_for_node_reservation('n1', timeout=300)
    b.wait_for_nodes_provision_state(['n1'], state, timeout=300)
    print(target, '->', state)

move('manage')
move('inspect')
move('clean', clean_steps=[{'interface': 'bios', 'step': 'factory_reset'}])
move('provide')
b.update_node('n1', instance_info={'image_source': 'http://127.0.0.1/i', 'image_checksum': 'a'}, extra={'k': 1})
move('active', config_drive={'meta_data': {'hostname': 'n1'}, 'user_data': '#cloud-config'})
move('rebuild')
b.set_node_power_state('n1', 'power on', wait=True, timeout=300)
b.set_node_power_state('n1', 'rebooting', wait=True, timeout=300)
b.set_node_power_state('n1', 'power off', wait=True, timeout=300)
print(b.get_node('n1').power_state)
b.set_node_maintenance('n1', reason='x')
print(b.get_node('n1').is_maintenance)
b.unset_node_maintenance('n1')
move('rescue', rescue_password='hunter2')
move_to('active', 'unrescue')
move('deleted')
move('manage')
move('adopt')
move('deleted')
b.delete_node('n1')
print(b.find_node('n1'))
",
    );

    let expected = [
        "enroll",
        "manage -> manageable None",
        "inspect -> manageable None",
        "clean -> manageable None",
        "provide -> available None",
        "active -> active None",
        "rebuild -> active None",
        "power off",
        "True",
        "rescue -> rescue None",
        "unrescue -> active",
        "deleted -> available None",
        "manage -> manageable None",
        "adopt -> active None",
        "deleted -> available None",
        "None",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn openstacksdk_reaches_what_belongs_to_a_node() {
    let daemon = Daemon::start();

    let printed = daemon.openstacksdk(
        "
node = b.create_node(driver='fake-hardware', name='n1')
port = b.create_port(node_id=node.id, address='52:54:00:12:34:56')
print([port.address for port in b.ports(node='n1')])
b.set_node_traits('n1', ['CUSTOM_A', 'CUSTOM_B'])
b.remove_node_trait('n1', 'CUSTOM_A')
print(b.get_node('n1').traits)
b.set_node_boot_device('n1', 'pxe')
print(b.get_node_boot_device('n1'), b.get_node_supported_boot_devices('n1'))
results = b.validate_node('n1', required=None)
print(sorted(name for name, result in results.items() if result.result))
print(sorted(b.list_node_vendor_passthru('n1')))
b.attach_vif_to_node('n1', 'vif-1')
print(b.list_node_vifs('n1'))
b.enable_node_console('n1')
b.wait_for_node_reservation('n1', timeout=300)
print(b.get_node_console('n1')['console_enabled'])
try:
    b.get_node('nosuch')
except Exception as error:
    print(type(error).__name__, str(error).split(': ', 1)[0])
try:
    b.set_node_provision_state('n1', 'rebuild')
except Exception as error:
    print(type(error).__name__, str(error).split(': ', 1)[0])
print([driver.name for driver in b.drivers()], len(list(b.conductors())))
b.delete_port(port)
b.delete_node('n1')
print(list(b.nodes()))
",
    );

    let expected = [
        "['52:54:00:12:34:56']",
        "['CUSTOM_B']",
        "{'boot_device': 'pxe', 'persistent': False} {'supported_boot_devices': ['pxe']}",
        "['bios', 'boot', 'console', 'deploy', 'firmware', 'inspect', 'management', 'network', 'power', 'raid', \
         'rescue', 'storage']",
        "['fourth_method_shared_lock', 'log_passthrough', 'second_method', 'third_method_sync']",
        "[]",
        "True",
        "NotFoundException No Node found for nosuch",
        "BadRequestException Failed to set provision state for bare metal node n1 to rebuild",
        "['fake-hardware', 'ipmi', 'redfish'] 1",
        "[]",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}
