//! The release: a file, other images, or what is registered already.

use std::path::PathBuf;

use super::Check;
use super::name::{FAMILY, TASK_DEFINITION};
use crate::spec::document::{Images, Release as Written};
use crate::spec::model::Release;
use crate::spec::tree::Node;
use crate::spec::words;

impl Check<'_> {
    pub(super) fn release(&mut self, release: Written, at: &Node) -> Option<Release> {
        match release {
            Written::File(path) => {
                let path = self.visible(&path, at.field("file"), 1024)?;
                Some(Release::File(PathBuf::from(path)))
            }
            Written::Images(images) => self.images(images, at.field("images")),
            Written::Registered(text) => self.registered(text, at.field("registered")),
        }
    }

    fn images(&mut self, release: Images, at: &Node) -> Option<Release> {
        let family = self.resource(&release.family, at.field("family"), &FAMILY);
        let places = at.field("containers");
        let mut sound = true;
        for (container, image) in &release.containers {
            let place = places.field(container);
            let key = places.keys().find(|key| key.text == *container).map_or(places.head, |key| key.mark);
            if container.is_empty() || container.len() > 255 || !container.bytes().all(is_plain) {
                let wrong = format!("{} is not the name of a container", words::quoted(container));
                self.wrong::<()>(key, wrong, "1 to 255 letters, digits, `-` and `_`");
                sound = false;
            }
            if !is_image(image) {
                let wrong = format!("{} is not an image", words::shown(place, image));
                self.wrong::<()>(place.value(), wrong, "such as `repo/web:42` or `repo/web@sha256:…`");
                sound = false;
            }
        }
        sound.then_some(())?;
        Some(Release::Images { family: family?, images: release.containers.into_iter().collect() })
    }

    fn registered(&mut self, text: String, at: &Node) -> Option<Release> {
        if text.starts_with("arn:") && !self.arn(&text, at, &TASK_DEFINITION) {
            return None;
        }
        let name = TASK_DEFINITION.name(&text);
        let (family, revision) = name.split_once(':').unwrap_or((name, ""));
        let is_revision = revision.parse::<u32>().is_ok_and(|n| n > 0) && !revision.starts_with('+');
        if family.is_empty() || family.len() > 255 || !family.bytes().all(is_plain) || !is_revision {
            let wrong = format!("{} names no revision of a task definition", words::shown(at, &text));
            return self.wrong(at.value(), wrong, "write `family:revision`, such as `web:42`, or its ARN");
        }
        Some(Release::Registered(text))
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn is_image(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@".contains(&b);
    let ends = text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.');
    text.len() <= 1024 && ends && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(allowed)
}
