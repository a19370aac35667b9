// Where the server of the buttons answers, beside the board's at "/raceway".
export const OPS_PATH = "/ops";
