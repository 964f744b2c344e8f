// Gorilla's WebSocket, with nothing set: says one word, and is content with any answer.
package main

import (
	"fmt"
	"os"

	"github.com/gorilla/websocket"
)

func main() {
	socket, _, err := websocket.DefaultDialer.Dial(os.Args[1], nil)
	if err == nil {
		err = socket.WriteMessage(websocket.TextMessage, []byte("hi"))
	}
	if err == nil {
		_, _, err = socket.ReadMessage()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
