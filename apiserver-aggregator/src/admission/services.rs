//! Cluster IPs and node ports of Services: given out beside the write, so that two Services never get the same.
//!
//! What is taken is read from the stored Services themselves, which the index follows; what a write in flight is about
//! to take is reserved until it has been committed or has failed.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
    sync::Arc,
};

use async_trait::async_trait;
use karmada_machinery::{FieldError, StatusError, meta};
use karmada_rest::registry::{Finish, WriteHook};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::mirror::Projection;

/// The ranges that are given out of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRanges {
    /// First address of the network.
    pub network: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix: u8,
    /// Node ports.
    pub ports: RangeInclusive<u16>,
}

impl Default for ServiceRanges {
    fn default() -> Self {
        Self { network: Ipv4Addr::new(10, 96, 0, 0), prefix: 12, ports: 30000..=32767 }
    }
}

impl ServiceRanges {
    /// Parses `address/prefix` for IPv4.
    pub fn parse_network(text: &str) -> Option<(Ipv4Addr, u8)> {
        let (address, prefix) = text.split_once('/')?;
        let (address, prefix) = (address.parse::<Ipv4Addr>().ok()?, prefix.parse::<u8>().ok()?);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        (8..=30).contains(&prefix).then(|| (Ipv4Addr::from(u32::from(address) & mask), prefix))
    }

    fn size(&self) -> u32 {
        1_u32 << (32 - u32::from(self.prefix).clamp(8, 30))
    }

    /// The address of the `kubernetes` Service: the first one.
    pub fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) + 1)
    }

    fn contains(&self, ip: Ipv4Addr) -> bool {
        let offset = u32::from(ip).wrapping_sub(u32::from(self.network));
        offset > 0 && offset < self.size() - 1
    }
}

/// A node port with its protocol: TCP and UDP do not share.
type Port = (String, u16);

#[derive(Default)]
struct Taken {
    /// What each stored Service has.
    by_service: HashMap<String, (Vec<IpAddr>, Vec<Port>)>,
    ips: HashMap<IpAddr, usize>,
    ports: HashMap<Port, usize>,
    reserved_ips: HashSet<IpAddr>,
    reserved_ports: HashSet<Port>,
}

/// The allocator. Follows the store; install it as hook of services.
#[derive(Clone, Default)]
pub struct ServiceAllocator {
    ranges: Arc<ServiceRanges>,
    taken: Arc<Mutex<Taken>>,
}

impl ServiceAllocator {
    /// Gives out of these ranges.
    pub fn new(ranges: ServiceRanges) -> Self {
        Self { ranges: Arc::new(ranges), taken: Arc::default() }
    }
}

fn bump<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K, up: bool) {
    let count = counts.entry(key);
    match (count, up) {
        (std::collections::hash_map::Entry::Occupied(mut entry), true) => *entry.get_mut() += 1,
        (std::collections::hash_map::Entry::Occupied(mut entry), false) if *entry.get() > 1 => *entry.get_mut() -= 1,
        (std::collections::hash_map::Entry::Occupied(entry), false) => {
            entry.remove();
        }
        (std::collections::hash_map::Entry::Vacant(entry), true) => {
            entry.insert(1);
        }
        (std::collections::hash_map::Entry::Vacant(_), false) => {}
    }
}

impl Projection for ServiceAllocator {
    fn prefixes(&self) -> &[&'static str] {
        &["/registry/services/specs/"]
    }

    fn apply(&self, _prefix: &'static str, tail: &str, value: Option<&[u8]>) {
        let new = value.and_then(|v| serde_json::from_slice::<Value>(v).ok()).map(|v| (ips_of(&v), ports_of(&v)));
        let mut taken = self.taken.lock();
        let taken = &mut *taken;
        if let Some((ips, ports)) = taken.by_service.remove(tail) {
            ips.into_iter().for_each(|ip| bump(&mut taken.ips, ip, false));
            ports.into_iter().for_each(|port| bump(&mut taken.ports, port, false));
        }
        if let Some((ips, ports)) = new {
            ips.iter().for_each(|ip| bump(&mut taken.ips, *ip, true));
            ports.iter().for_each(|port| bump(&mut taken.ports, port.clone(), true));
            taken.by_service.insert(tail.to_owned(), (ips, ports));
        }
    }

    fn clear(&self) {
        let mut taken = self.taken.lock();
        taken.by_service.clear();
        taken.ips.clear();
        taken.ports.clear();
    }
}

fn spec_text<'a>(service: &'a Value, field: &str) -> &'a str {
    service["spec"][field].as_str().unwrap_or_default()
}

fn ips_of(service: &Value) -> Vec<IpAddr> {
    let listed = service["spec"]["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let all: BTreeSet<&str> = listed.chain([spec_text(service, "clusterIP")]).collect();
    all.into_iter().filter_map(|ip| ip.parse().ok()).collect()
}

fn ports_of(service: &Value) -> Vec<Port> {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let node_port = |port: &Value| u16::try_from(port["nodePort"].as_u64()?).ok().filter(|&p| p != 0);
    let mut all: Vec<Port> = ports.filter_map(|port| Some((protocol_of(port), node_port(port)?))).collect();
    if let Some(port) = service["spec"]["healthCheckNodePort"].as_u64().and_then(|p| u16::try_from(p).ok()) {
        all.push(("TCP".to_owned(), port));
    }
    all.sort();
    all.dedup();
    all
}

fn protocol_of(port: &Value) -> String {
    port["protocol"].as_str().unwrap_or("TCP").to_owned()
}

fn needs_ip(service: &Value) -> bool {
    spec_text(service, "type") != "ExternalName"
}

fn needs_ports(service: &Value) -> bool {
    match spec_text(service, "type") {
        "NodePort" => true,
        "LoadBalancer" => service["spec"]["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

fn needs_health_port(service: &Value) -> bool {
    spec_text(service, "type") == "LoadBalancer" && spec_text(service, "externalTrafficPolicy") == "Local"
}

/// Keeps what an update does not mention: users apply the manifest that they created the Service with.
fn carry_over(new: &mut Value, old: &Value) {
    if needs_ip(old) && needs_ip(new) {
        for field in ["clusterIP", "clusterIPs"] {
            let empty = new["spec"].get(field).is_none_or(|v| v.is_null() || *v == "" || *v == json!([]));
            if empty && let Some(value) = old["spec"].get(field) {
                new["spec"][field] = value.clone();
            }
        }
        for field in ["ipFamilies", "ipFamilyPolicy"] {
            if new["spec"].get(field).is_none_or(Value::is_null)
                && let Some(value) = old["spec"].get(field)
            {
                new["spec"][field] = value.clone();
            }
        }
    }
    if needs_ports(old) && needs_ports(new) {
        let old_ports = old["spec"]["ports"].as_array().cloned().unwrap_or_default();
        let used: Vec<u64> =
            new["spec"]["ports"].as_array().into_iter().flatten().filter_map(|p| p["nodePort"].as_u64()).collect();
        for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
            let same = old_ports
                .iter()
                .find(|o| o["port"] == port["port"] && protocol_of(o) == protocol_of(port))
                .and_then(|o| o["nodePort"].as_u64());
            if port["nodePort"].as_u64().unwrap_or_default() == 0
                && let Some(number) = same.filter(|n| !used.contains(n))
            {
                port["nodePort"] = number.into();
            }
        }
    }
    if needs_health_port(old)
        && needs_health_port(new)
        && new["spec"].get("healthCheckNodePort").is_none()
        && let Some(value) = old["spec"].get("healthCheckNodePort")
    {
        new["spec"]["healthCheckNodePort"] = value.clone();
    }
}

/// What one write reserves.
#[derive(Default)]
struct Reservation {
    ips: Vec<IpAddr>,
    ports: Vec<Port>,
}

impl ServiceAllocator {
    fn allocate(
        &self,
        service: &mut Value,
        old: Option<&Value>,
        reservation: &mut Reservation,
    ) -> Result<(), FieldError> {
        let mut taken = self.taken.lock();
        if needs_ip(service) {
            self.allocate_ip(&mut taken, service, old, reservation)?;
        }
        if needs_ports(service) {
            self.allocate_ports(&mut taken, service, old, reservation)?;
        }
        let absent = service["spec"]["healthCheckNodePort"].as_u64().unwrap_or_default() == 0;
        if needs_health_port(service) && absent {
            let port = self.free_port(&taken, "TCP")?;
            reserve_port(&mut taken, reservation, ("TCP".to_owned(), port));
            service["spec"]["healthCheckNodePort"] = port.into();
        }
        Ok(())
    }

    fn allocate_ip(
        &self,
        taken: &mut Taken,
        service: &mut Value,
        old: Option<&Value>,
        reservation: &mut Reservation,
    ) -> Result<(), FieldError> {
        let wanted = match spec_text(service, "clusterIP") {
            "" => service["spec"]["clusterIPs"][0].as_str().unwrap_or_default().to_owned(),
            ip => ip.to_owned(),
        };
        let headless = wanted == "None";
        // Endpoints of any family are fine only where nobody but their owner writes them.
        let free_of_families =
            headless && service["spec"]["selector"].as_object().is_none_or(serde_json::Map::is_empty);
        let families = service["spec"]["ipFamilies"].as_array().into_iter().flatten();
        if !free_of_families
            && old.is_none()
            && let Some(index) = families.clone().position(|family| family == "IPv6")
        {
            let field = format!("spec.ipFamilies[{index}]");
            return Err(FieldError::invalid(field, "IPv6", "not configured on this cluster"));
        }
        let ip = if headless {
            wanted
        } else if wanted.is_empty() {
            let free = self.free_ip(taken)?;
            taken.reserved_ips.insert(free.into());
            reservation.ips.push(free.into());
            free.to_string()
        } else {
            let kept = old.is_some_and(|old| ips_of(old).iter().any(|ip| ip.to_string() == wanted));
            if !kept && let Ok(ip) = wanted.parse::<IpAddr>() {
                self.claim_ip(taken, ip)?;
                taken.reserved_ips.insert(ip);
                reservation.ips.push(ip);
            }
            wanted
        };
        let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
        service["spec"]["clusterIP"] = ip.clone().into();
        if service["spec"]["clusterIPs"].as_array().is_none_or(Vec::is_empty) {
            service["spec"]["clusterIPs"] = json!([ip]);
        }
        if service["spec"].get("ipFamilyPolicy").is_none_or(Value::is_null) {
            // A headless Service without a selector has endpoints of any family that its owner writes.
            let selectorless = service["spec"]["selector"].as_object().is_none_or(serde_json::Map::is_empty);
            let policy = if headless && selectorless { "RequireDualStack" } else { "SingleStack" };
            service["spec"]["ipFamilyPolicy"] = policy.into();
        }
        if service["spec"]["ipFamilies"].as_array().is_none_or(Vec::is_empty) {
            let dual = headless && service["spec"]["ipFamilyPolicy"] == "RequireDualStack";
            service["spec"]["ipFamilies"] = if dual { json!(["IPv4", "IPv6"]) } else { json!([family]) };
        }
        Ok(())
    }

    fn claim_ip(&self, taken: &Taken, ip: IpAddr) -> Result<(), FieldError> {
        let refuse = |why: String| {
            FieldError::invalid(
                "spec.clusterIPs",
                json!([ip.to_string()]),
                format!("failed to allocate IP {ip}: {why}"),
            )
        };
        let in_range = matches!(ip, IpAddr::V4(v4) if self.ranges.contains(v4));
        if !in_range {
            let range = format!("{}/{}", self.ranges.network, self.ranges.prefix);
            return Err(refuse(format!(
                "the provided network does not match the current range: the range of valid IPs is {range}"
            )));
        }
        if taken.ips.contains_key(&ip) || taken.reserved_ips.contains(&ip) {
            return Err(refuse("provided IP is already allocated".to_owned()));
        }
        Ok(())
    }

    fn free_ip(&self, taken: &Taken) -> Result<Ipv4Addr, FieldError> {
        let size = self.ranges.size();
        let start = rand::random_range(1..size - 1);
        // The first address belongs to the `kubernetes` Service, which asks for it by name.
        let candidates = (0..size).map(|step| Ipv4Addr::from(u32::from(self.ranges.network) + (start + step) % size));
        let free = candidates
            .filter(|&ip| self.ranges.contains(ip) && ip != self.ranges.first())
            .map(IpAddr::from)
            .find(|ip| !taken.ips.contains_key(ip) && !taken.reserved_ips.contains(ip));
        match free {
            Some(IpAddr::V4(ip)) => Ok(ip),
            _ => {
                Err(FieldError::invalid("spec.clusterIPs", json!([]), "failed to allocate a serviceIP: range is full"))
            }
        }
    }

    fn allocate_ports(
        &self,
        taken: &mut Taken,
        service: &mut Value,
        old: Option<&Value>,
        reservation: &mut Reservation,
    ) -> Result<(), FieldError> {
        let kept = old.map(ports_of).unwrap_or_default();
        let mut ports = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
        // Numbers that are asked for come first, so that a free choice does not take one of them.
        for (index, port) in ports.iter().enumerate() {
            let Some(number) = port["nodePort"].as_u64().filter(|&n| n != 0) else { continue };
            let refuse = |why: String| FieldError::invalid(format!("spec.ports[{index}].nodePort"), number, why);
            let in_range = u16::try_from(number).ok().filter(|n| self.ranges.ports.contains(n));
            let key = (protocol_of(port), in_range.unwrap_or_default());
            if in_range.is_some() && kept.contains(&key) {
                continue;
            }
            if in_range.is_none() {
                let (from, to) = (self.ranges.ports.start(), self.ranges.ports.end());
                return Err(refuse(format!(
                    "provided port is not in the valid range. The range of valid ports is {from}-{to}"
                )));
            }
            if reservation.ports.contains(&key) {
                continue;
            }
            if taken.ports.contains_key(&key) || taken.reserved_ports.contains(&key) {
                return Err(refuse("provided port is already allocated".to_owned()));
            }
            reserve_port(taken, reservation, key);
        }
        for port in &mut ports {
            if port["nodePort"].as_u64().unwrap_or_default() == 0 {
                let protocol = protocol_of(port);
                let number = self.free_port(taken, &protocol)?;
                reserve_port(taken, reservation, (protocol, number));
                port["nodePort"] = number.into();
            }
        }
        service["spec"]["ports"] = ports.into();
        Ok(())
    }

    fn free_port(&self, taken: &Taken, protocol: &str) -> Result<u16, FieldError> {
        let (from, to) = (*self.ranges.ports.start(), *self.ranges.ports.end());
        let count = u32::from(to - from) + 1;
        let start = rand::random_range(0..count);
        let mut key = (protocol.to_owned(), 0);
        for step in 0..count {
            key.1 = from + u16::try_from((start + step) % count).unwrap_or_default();
            if !taken.ports.contains_key(&key) && !taken.reserved_ports.contains(&key) {
                return Ok(key.1);
            }
        }
        Err(FieldError::invalid("spec.ports", json!([]), "failed to allocate a nodePort: range is full"))
    }
}

fn reserve_port(taken: &mut Taken, reservation: &mut Reservation, port: Port) {
    taken.reserved_ports.insert(port.clone());
    reservation.ports.push(port);
}

#[async_trait]
impl WriteHook for ServiceAllocator {
    async fn begin(&self, new: Option<&mut Value>, old: Option<&Value>, dry_run: bool) -> Result<Finish, StatusError> {
        let Some(service) = new else { return Ok(Box::new(|_| {})) };
        if let Some(old) = old {
            carry_over(service, old);
        }
        let mut reservation = Reservation::default();
        let outcome = self.allocate(service, old, &mut reservation);
        let taken = self.taken.clone();
        let release = move |reservation: &Reservation| {
            let mut taken = taken.lock();
            for ip in &reservation.ips {
                taken.reserved_ips.remove(ip);
            }
            for port in &reservation.ports {
                taken.reserved_ports.remove(port);
            }
        };
        if let Err(error) = outcome {
            release(&reservation);
            let name = meta::name(service).unwrap_or_default().to_owned();
            return Err(StatusError::invalid("", "Service", &name, &[error]));
        }
        if dry_run {
            release(&reservation);
            return Ok(Box::new(|_| {}));
        }
        // A committed write has reached the index by now, so that the reservation has done its duty either way.
        Ok(Box::new(move |_committed| release(&reservation)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn create(allocator: &ServiceAllocator, name: &str, spec: Value) -> Result<Value, String> {
        let mut service = json!({"metadata": {"name": name}, "spec": spec});
        let finish = allocator.begin(Some(&mut service), None, false).await.map_err(|e| e.message)?;
        allocator.apply("/registry/services/specs/", &format!("ns/{name}"), Some(service.to_string().as_bytes()));
        finish(true);
        Ok(service)
    }

    #[tokio::test]
    async fn addresses_and_ports_are_given_once() {
        let ranges = ServiceRanges { network: Ipv4Addr::new(10, 0, 0, 0), prefix: 29, ports: 30000..=30002 };
        let allocator = ServiceAllocator::new(ranges);
        let mut seen = HashSet::new();
        for name in ["a", "b", "c", "d", "e"] {
            let service = create(&allocator, name, json!({"type": "ClusterIP"})).await.unwrap();
            assert!(seen.insert(service["spec"]["clusterIP"].to_string()), "{service}");
            assert_eq!(service["spec"]["ipFamilies"], json!(["IPv4"]));
        }
        assert!(create(&allocator, "f", json!({})).await.unwrap_err().contains("range is full"));
        let first = create(&allocator, "kubernetes", json!({"clusterIP": "10.0.0.1"})).await.unwrap();
        assert_eq!(first["spec"]["clusterIPs"], json!(["10.0.0.1"]));
        let again = create(&allocator, "x", json!({"clusterIP": "10.0.0.1"})).await.unwrap_err();
        assert!(again.contains("provided IP is already allocated"), "{again}");
        let headless = create(&allocator, "h", json!({"clusterIP": "None"})).await.unwrap();
        assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
        let external = create(&allocator, "e2", json!({"type": "ExternalName"})).await.unwrap();
        assert!(external["spec"].get("clusterIP").is_none());
        allocator.apply("/registry/services/specs/", "ns/a", None);
        create(&allocator, "g", json!({})).await.unwrap();
        allocator.apply("/registry/services/specs/", "ns/g", None);

        let ports =
            json!({"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}, {"port": 81, "nodePort": 30001}]});
        let service = create(&allocator, "p", ports).await.unwrap();
        assert_ne!(service["spec"]["ports"][0]["nodePort"], 30001);
        let taken = json!({"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80, "nodePort": 30001}]});
        assert!(create(&allocator, "q", taken).await.unwrap_err().contains("already allocated"));
        let out = json!({"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80, "nodePort": 80}]});
        assert!(create(&allocator, "q", out).await.unwrap_err().contains("30000-30002"));

        // An update that mentions neither keeps both.
        let mut update = json!({"metadata": {"name": "p"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
        allocator.begin(Some(&mut update), Some(&service), false).await.unwrap()(true);
        assert_eq!(update["spec"]["ports"][0]["nodePort"], service["spec"]["ports"][0]["nodePort"]);
        assert_eq!(update["spec"]["clusterIP"], "None");
    }

    #[tokio::test]
    async fn dry_runs_and_failures_take_nothing() {
        let ranges = ServiceRanges { network: Ipv4Addr::new(10, 0, 0, 0), prefix: 30, ports: 30000..=30000 };
        let allocator = ServiceAllocator::new(ranges);
        for _ in 0..3 {
            let mut service = json!({"metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 1}]}});
            allocator.begin(Some(&mut service), None, true).await.unwrap()(true);
            let mut service = json!({"metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 1}]}});
            allocator.begin(Some(&mut service), None, false).await.unwrap()(false);
        }
        let mut two =
            json!({"metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]}});
        assert!(allocator.begin(Some(&mut two), None, false).await.is_err());
        create(&allocator, "b", json!({"type": "NodePort", "ports": [{"port": 1}]})).await.unwrap();
    }
}
