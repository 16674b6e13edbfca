//! A policy as phones read it: `EASProvisionDoc` (MS-ASPROV 2.2.2.28), or the registry of Windows
//! Mobile in 2.5 (MS-ASPROV 2.2.2.24.2).

use crate::domain::policy::{Policy, SETTINGS, Setting, SettingKind};
use crate::eas::version::Version;
use crate::format::wbxml::Writer;
use crate::format::wbxml::tags::provision as p;

/// Writes the document. Every setting that the version has is said, so that what an earlier
/// policy demanded and this one does not is taken back.
pub fn write(out: &mut Writer, policy: &Policy, version: Version) {
    out.open(p::EAS_PROVISION_DOC);
    for setting in &SETTINGS {
        if setting.since > 120 && version < Version::V12_1 {
            continue;
        }
        let value = policy.value(setting);
        match setting.kind {
            SettingKind::List(entry) => {
                out.open(setting.tag);
                Setting::entries(value).for_each(|text| out.text(entry, text));
                out.close();
            }
            _ if value.is_empty() => out.empty(setting.tag),
            _ => out.text(setting.tag, value),
        }
    }
    out.close();
}

/// The same for 2.5: what Windows Mobile 5 understood of it. It is text of our own and numbers,
/// so nothing has to be escaped.
pub fn xml(policy: &Policy) -> String {
    const LASSD: &str = r"HKLM\Comm\Security\Policy\LASSD";
    let value = |name: &str| Setting::named(name).map_or("", |setting| policy.value(setting));
    let password = value("DevicePasswordEnabled") == "1";
    let number = |name: &str| value(name).parse::<u32>().ok().filter(|_| password);
    // Minutes, rounded up; 0 in the type stands for "never".
    let lock = number("MaxInactivityTimeDeviceLock").map(|seconds| seconds.div_ceil(60));
    let failures = number("MaxDevicePasswordFailedAttempts");
    let complexity = if value("AlphanumericDevicePasswordRequired") == "1" { 0 } else { 2 };
    let parm = |name: &str, value: String| format!("<parm name=\"{name}\" value=\"{value}\"/>");
    let branch = |name: &str, parms: String| {
        format!("<characteristic type=\"{name}\">{parms}</characteristic>")
    };
    let registry = [
        branch(
            &format!("{LASSD}\\AE\\{{50C13377-C66D-400C-889E-C316FC4AB374}}"),
            parm("AEFrequencyType", u8::from(lock.is_some()).to_string())
                + &parm("AEFrequencyValue", lock.unwrap_or(0).to_string()),
        ),
        // Where it never erases itself nothing is said: AOSP would take -1 for a number.
        failures.map_or_else(String::new, |most| {
            branch(LASSD, parm("DeviceWipeThreshold", most.to_string()))
                + &branch(LASSD, parm("CodewordFrequency", (most / 2).to_string()))
        }),
        branch(
            &format!("{LASSD}\\LAP\\lap_pw"),
            parm(
                "MinimumPasswordLength",
                number("MinDevicePasswordLength").unwrap_or(1).to_string(),
            ),
        ),
        branch(
            &format!("{LASSD}\\LAP\\lap_pw"),
            parm("PasswordComplexity", complexity.to_string()),
        ),
    ];
    // 4131: 0 demands a password, 1 does not.
    let security = branch("SecurityPolicy", parm("4131", u8::from(!password).to_string()));
    let registry = if password { branch("Registry", registry.concat()) } else { String::new() };
    format!("<wap-provisioningdoc>{security}{registry}</wap-provisioningdoc>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::wbxml;

    fn policy(settings: &[(&str, &str)]) -> Policy {
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Policy { name: "field".into(), settings: settings.collect(), ..Policy::default() }
    }

    #[test]
    fn a_document_says_everything_that_the_version_has() {
        let policy = policy(&[
            ("AllowCamera", "0"),
            ("MinDevicePasswordLength", "6"),
            ("UnapprovedInROMApplicationList", "a.exe,b.exe"),
        ]);
        let document = |version| {
            let mut out = Writer::new();
            write(&mut out, &policy, version);
            wbxml::decode(&out.finish().into()).unwrap()
        };
        let full = document(Version::V14_1);
        assert_eq!(full.children.len(), SETTINGS.len());
        assert_eq!(full.text_of(p::ALLOW_CAMERA), Some("0"));
        assert_eq!(full.text_of(p::MIN_DEVICE_PASSWORD_LENGTH), Some("6"));
        assert_eq!(full.text_of(p::MAX_ATTACHMENT_SIZE), Some(""));
        assert_eq!(full.child(p::UNAPPROVED_IN_ROM_APPLICATION_LIST).unwrap().children.len(), 2);
        assert_eq!(document(Version::V12_0).children.len(), 12);
    }

    #[test]
    fn windows_mobile_reads_its_registry() {
        let text = xml(&policy(&[
            ("DevicePasswordEnabled", "1"),
            ("MinDevicePasswordLength", "6"),
            ("MaxInactivityTimeDeviceLock", "90"),
        ]));
        for part in [
            "<parm name=\"4131\" value=\"0\"/>",
            "<parm name=\"AEFrequencyValue\" value=\"2\"/>",
            "<parm name=\"MinimumPasswordLength\" value=\"6\"/>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("DeviceWipeThreshold"), "{text}");
        let text = xml(&policy(&[
            ("DevicePasswordEnabled", "1"),
            ("MaxDevicePasswordFailedAttempts", "8"),
        ]));
        assert!(text.contains("<parm name=\"DeviceWipeThreshold\" value=\"8\"/>"), "{text}");
        assert_eq!(
            xml(&policy(&[])),
            "<wap-provisioningdoc><characteristic type=\"SecurityPolicy\">\
             <parm name=\"4131\" value=\"1\"/></characteristic></wap-provisioningdoc>"
        );
    }
}
