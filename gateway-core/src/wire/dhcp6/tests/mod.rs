mod messages;
mod options;
mod oracle;
mod relays;
mod total;
