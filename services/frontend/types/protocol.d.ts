// What coordinators and pages say to each other. Made by generate.py, not by hand.

export interface AdjustedFrame {
  type: "adjusted";
  room: string;
  run: string;
  from: number;
  interval_ms: number;
  starts_at: number;
  by: string;
  held_at?: number | null;
  held_until?: number | null;
  holds?: PlannedHold[];
  change?: string | null;
  after_zero?: "count" | "stop";
  warning?: number | null;
  danger?: number | null;
  trace?: Trace | null;
  remaining: number | null;
  at: number;
  seconds: number;
  seq: number;
}

export interface Bye {
  type: "bye";
  reason: string;
  reconnect_ms: number;
}

export interface CancelledFrame {
  type: "cancelled";
  room: string;
  run: string;
  from: number;
  interval_ms: number;
  starts_at: number;
  by: string;
  held_at?: number | null;
  held_until?: number | null;
  holds?: PlannedHold[];
  change?: string | null;
  after_zero?: "count" | "stop";
  warning?: number | null;
  danger?: number | null;
  trace?: Trace | null;
  remaining: number | null;
  seq: number;
}

export interface HeldFrame {
  type: "held";
  room: string;
  run: string;
  from: number;
  interval_ms: number;
  starts_at: number;
  by: string;
  held_at?: number | null;
  held_until?: number | null;
  holds?: PlannedHold[];
  change?: string | null;
  after_zero?: "count" | "stop";
  warning?: number | null;
  danger?: number | null;
  trace?: Trace | null;
  remaining: number | null;
  at?: number | null;
  seq: number;
}

export interface Hello {
  type: "hello";
  protocol: number;
  room: string;
  epoch: string;
  seq: number;
  server_time: number;
  instance: string;
  viewers: number;
  replayed: number;
  complete: boolean;
  state: State;
}

export interface MessageFrame {
  type: "message";
  seq: number;
  room: string;
  text: string;
  at: number;
}

export interface Ping {
  type: "ping";
  id: number;
  seq?: number | null;
  error_ms?: number | null;
  shown?: Shown | null;
}

export interface PlannedHold {
  at: number;
  for_ms?: number | null;
}

export interface Pong {
  type: "pong";
  id: number;
  server_time: number;
}

export interface RecycledFrame {
  type: "recycled";
  room: string;
  run: string;
  from: number;
  interval_ms: number;
  starts_at: number;
  by: string;
  held_at?: number | null;
  held_until?: number | null;
  holds?: PlannedHold[];
  change?: string | null;
  after_zero?: "count" | "stop";
  warning?: number | null;
  danger?: number | null;
  trace?: Trace | null;
  remaining: number;
  at: number;
  seq: number;
}

export interface ResumedFrame {
  type: "resumed";
  room: string;
  run: string;
  from: number;
  interval_ms: number;
  starts_at: number;
  by: string;
  held_at?: number | null;
  held_until?: number | null;
  holds?: PlannedHold[];
  change?: string | null;
  after_zero?: "count" | "stop";
  warning?: number | null;
  danger?: number | null;
  trace?: Trace | null;
  remaining: number | null;
  at: number;
  seq: number;
}

export interface RoomReply {
  room: string;
  epoch: string;
  seq: number;
  viewers: number;
  screens: Screens;
  state: State;
}

export interface Screens {
  reporting: number;
  in_step: number;
  worst_error_ms: number | null;
}

export interface Shown {
  number: number;
  at: number;
}

export interface StartedFrame {
  type: "started";
  room: string;
  run: string;
  from: number;
  interval_ms: number;
  starts_at: number;
  by: string;
  held_at?: number | null;
  held_until?: number | null;
  holds?: PlannedHold[];
  change?: string | null;
  after_zero?: "count" | "stop";
  warning?: number | null;
  danger?: number | null;
  trace?: Trace | null;
  seq: number;
}

export interface State {
  status: "cancelled" | "finished" | "held" | "idle" | "running" | "scheduled" | "unknown";
  run: string | null;
  from: number | null;
  interval_ms: number | null;
  starts_at: number | null;
  remaining: number | null;
  held_at: number | null;
  held_until: number | null;
  finished_at: number | null;
  after_zero: "count" | "stop";
  warning: number | null;
  danger: number | null;
  change: string | null;
  holds: PlannedHold[];
}

export interface TickDelta {
  type: "tick";
  room?: string | null;
  seq: number;
  remaining: number;
}

export interface TickFrame {
  type: "tick";
  room: string;
  run: string;
  from: number;
  interval_ms: number;
  starts_at: number;
  by: string;
  held_at?: number | null;
  held_until?: number | null;
  holds?: PlannedHold[];
  change?: string | null;
  after_zero?: "count" | "stop";
  warning?: number | null;
  danger?: number | null;
  trace?: Trace | null;
  remaining: number;
  due: number;
  emitted: number;
  seq: number;
}

export interface Trace {
  parent: string;
  until: number;
}

export interface Viewers {
  type: "viewers";
  room: string;
  count: number;
}

export type Frame = Hello | StartedFrame | HeldFrame | ResumedFrame | AdjustedFrame | RecycledFrame | TickFrame | TickDelta | CancelledFrame | MessageFrame | Viewers | Pong | Bye;
